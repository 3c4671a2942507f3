"use strict";
// The player of one recording: a waveform drawn from the server's peaks, to click on and to steer by keyboard.
(() => {
  const id = (name) => document.getElementById(name);
  const player = id("player"), audio = id("audio"), canvas = id("wave"), play = id("play");
  const STEP = 5;
  let wave = { duration: Number(canvas.getAttribute("aria-valuemax")), channels: [], gaps: [] };
  let picture = null;

  const duration = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds));
    const two = (n) => String(n).padStart(2, "0");
    const minutes = Math.floor(whole / 60);
    return minutes >= 60 ? `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
  };
  const total = () => (Number.isFinite(audio.duration) && audio.duration > 0 ? audio.duration : wave.duration) || 0;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  const drawChannel = (context, peaks, top, height, width, fill) => {
    const count = peaks.length / 2, middle = top + height / 2;
    const loudest = Math.max(24, ...peaks.map(Math.abs));
    const scale = (height / 2 - 3) / loudest;
    const bar = Math.max(1, width / count);
    context.fillStyle = fill;
    for (let index = 0; index < count; index++) {
      const up = Math.max(0.5, peaks[2 * index + 1] * scale), down = Math.max(0.5, -peaks[2 * index] * scale);
      context.fillRect((index * width) / count, middle - up, bar, up + down);
    }
  };
  const drawGaps = (context, width, height) => {
    for (const gap of wave.gaps) {
      const left = (gap.start / wave.duration) * width;
      context.fillStyle = colour(`shade-${gap.why}`) || colour("shade-hold");
      context.fillRect(left, 0, Math.max(2, ((gap.end - gap.start) / wave.duration) * width), height);
    }
  };
  const paint = () => {
    const ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width || !height) return;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    picture = document.createElement("canvas");
    picture.width = canvas.width;
    picture.height = canvas.height;
    const context = picture.getContext("2d");
    context.scale(ratio, ratio);
    const lane = height / Math.max(1, wave.channels.length);
    wave.channels.forEach((peaks, channel) => drawChannel(context, peaks, channel * lane, lane, width, colour(channel ? "other" : "agent")));
    if (wave.channels.length > 1) {
      context.fillStyle = colour("line");
      context.fillRect(0, height / 2, width, 1);
    }
    if (wave.duration > 0) drawGaps(context, width, height);
    show();
  };
  const show = () => {
    const at = audio.currentTime, all = total();
    id("position").textContent = duration(at);
    canvas.setAttribute("aria-valuenow", at.toFixed(1));
    canvas.setAttribute("aria-valuetext", `${duration(at)} of ${duration(all)}`);
    if (!picture) return;
    const context = canvas.getContext("2d"), x = all ? (at / all) * canvas.width : 0;
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.globalAlpha = 0.45;
    context.drawImage(picture, 0, 0);
    context.globalAlpha = 1;
    if (x >= 1) context.drawImage(picture, 0, 0, x, canvas.height, 0, 0, x, canvas.height);
    context.fillStyle = colour("ink");
    context.fillRect(Math.min(x, canvas.width - 2), 0, 2, canvas.height);
  };
  const follow = () => {
    show();
    if (!audio.paused) requestAnimationFrame(follow);
  };
  const seek = (seconds) => {
    audio.currentTime = Math.min(Math.max(0, seconds), Math.max(0, total() - 0.05));
    show();
  };
  const toggle = () => { if (audio.paused) audio.play().catch(trouble); else audio.pause(); };
  const trouble = () => {
    id("trouble").textContent = "The sound of this recording could not be played.";
    id("trouble").hidden = false;
  };

  const KEYS = {
    " ": toggle, k: toggle,
    ArrowLeft: () => seek(audio.currentTime - STEP), ArrowRight: () => seek(audio.currentTime + STEP),
    Home: () => seek(0), End: () => seek(total()),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || !KEYS[event.key]) return;
    if (event.target.closest("input, select, textarea, summary, button, a")) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  canvas.addEventListener("click", (event) => {
    const frame = canvas.getBoundingClientRect();
    seek(((event.clientX - frame.left) / frame.width) * total());
  });
  document.querySelectorAll("[data-seek]").forEach((button) => {
    button.addEventListener("click", () => seek(Number(button.dataset.seek)));
  });
  play.addEventListener("click", toggle);
  id("speed").addEventListener("change", (event) => { audio.playbackRate = Number(event.target.value); });
  const state = () => {
    play.setAttribute("aria-pressed", String(!audio.paused));
    play.setAttribute("aria-label", audio.paused ? "Play" : "Pause");
    follow();
  };
  ["play", "pause", "ended"].forEach((name) => audio.addEventListener(name, state));
  ["seeked", "timeupdate", "loadedmetadata"].forEach((name) => audio.addEventListener(name, show));
  audio.addEventListener("error", trouble);
  new ResizeObserver(paint).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);

  player.classList.add("ready");
  fetch(player.dataset.peaks, { headers: { Accept: "application/json" } })
    .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(answer.statusText))))
    .then((peaks) => { wave = peaks; paint(); player.dataset.drawn = "yes"; })
    .catch(() => { player.dataset.drawn = "no"; });
})();
