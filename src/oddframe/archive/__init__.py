"""Archives: thousands of hours of video as jobs that any number of machines do, in any order, as often as it takes."""
