"""Who is told of events: lines in a file, webhooks, MQTT, commands."""
