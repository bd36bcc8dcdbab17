// Plays a clip and knows, to the frame, what is shown.
//
// A frame is shown from its own presentation time until that of the next one, and these times are seldom multiples of
// 1 / fps: 29.97 frames a second, a variable rate, rounding in the container. So the player seeks into the middle of the
// interval of a frame, by the table of times, where no rounding leads to a neighbour. What is shown is told by the time
// that the browser gives with the picture itself (requestVideoFrameCallback), never by the clock of the player.

/** The moment in the middle of the interval in which frame `position` is shown. */
export function middle(times, position, duration) {
  const start = times[position];
  if (position + 1 < times.length) return (start + times[position + 1]) / 2;
  const before = position ? start - times[position - 1] : 0.04;
  const left = Number.isFinite(duration) && duration > start ? duration - start : before;
  return start + Math.min(before, left) / 2;
}

/** The frame whose time is nearest to `moment`. */
export function nearest(times, moment) {
  let [low, high] = [0, times.length - 1];
  while (low < high) {
    const half = (low + high) >> 1;
    if (times[half] < moment) low = half + 1;
    else high = half;
  }
  return low && moment - times[low - 1] < times[low] - moment ? low - 1 : low;
}

/** The frame that is shown at `moment`. */
export function at(times, moment) {
  const near = nearest(times, moment);
  return near && times[near] > moment ? near - 1 : near;
}

const LATE_MS = 150; // after a seek, in which the browser shows its frame; it tells none where it shows the same again

/**
 * A video element with a table of times. Listeners: `shown(position)` with every frame that is shown, `playing(bool)`,
 * `failed(text)`.
 */
export class Player {
  constructor(video, listeners) {
    this.video = video;
    this.listeners = listeners;
    this.times = [];
    this.position = null;
    this.wanted = null;
    this.landed = null; // where the last seek ended, until it plays; the browser tells of the picture later
    this.seeking = false;
    this.turn = 0;
    video.addEventListener("seeked", () => this.#arrived());
    video.addEventListener("play", () => {
      this.landed = null;
      listeners.playing(true);
    });
    video.addEventListener("pause", () => listeners.playing(false));
    video.addEventListener("error", () => {
      if (this.video.getAttribute("src")) listeners.failed("This clip cannot be played.");
    });
    if (video.requestVideoFrameCallback) this.#watch();
    else video.addEventListener("timeupdate", () => this.#shown(at(this.times, video.currentTime)));
  }

  /** Load another clip, and show frame `first` of it. */
  open(url, times, first) {
    this.turn += 1;
    this.times = times;
    this.position = null;
    this.seeking = false;
    this.wanted = this.landed = null;
    this.video.src = url;
    this.seek(first);
  }

  /** Unload what is there. */
  close() {
    this.turn += 1;
    this.times = [];
    this.position = this.wanted = this.landed = null;
    this.seeking = false;
    this.video.pause();
    if (this.video.getAttribute("src")) {
      this.video.removeAttribute("src");
      this.video.load();
    }
  }

  /** Show a frame. Seeks that are asked for while one is under way become one. */
  seek(position) {
    if (!this.times.length) return;
    this.wanted = Math.min(Math.max(Math.round(position), 0), this.times.length - 1);
    if (!this.seeking) this.#go();
  }

  /** Stop and go some frames forward or back. */
  step(frames) {
    this.video.pause();
    this.seek((this.wanted ?? this.landed ?? this.position ?? 0) + frames);
  }

  /** Play or stop. */
  toggle() {
    if (this.video.paused) this.play();
    else this.video.pause();
  }

  /** Play. */
  play() {
    if (!this.times.length) return;
    this.video.play().catch(() => {}); // refused by the browser, or another clip came; the button shows the state
  }

  #go() {
    if (this.video.readyState < HTMLMediaElement.HAVE_METADATA) {
      const turn = this.turn;
      this.video.addEventListener("loadedmetadata", () => turn === this.turn && this.wanted !== null && this.#go(), { once: true });
      return;
    }
    this.seeking = true;
    this.going = this.wanted;
    this.toldAt = null;
    this.video.currentTime = middle(this.times, this.wanted, this.video.duration);
  }

  #arrived() {
    if (!this.seeking) return;
    this.seeking = false;
    if (this.wanted !== this.going) {
      this.#go();
      return;
    }
    this.wanted = null;
    this.landed = this.going;
    const turn = this.turn;
    setTimeout(() => {
      if (turn === this.turn && !this.seeking && this.video.paused && this.times.length) {
        this.#shown(at(this.times, this.video.currentTime));
      }
    }, LATE_MS);
  }

  #watch() {
    this.video.requestVideoFrameCallback((_, frame) => {
      if (this.times.length && this.video.readyState >= HTMLMediaElement.HAVE_METADATA) {
        this.#shown(nearest(this.times, frame.mediaTime));
      }
      this.#watch();
    });
  }

  #shown(position) {
    if (position === this.position) return;
    this.position = position;
    this.listeners.shown(position);
  }
}
