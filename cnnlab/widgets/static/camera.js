import { button, el, KEYS } from "./core.js";

// A photograph of the reader's: chosen, dropped, pasted or taken. It stays in the page. The maker of a control, as
// panel.js has them, whose state has { own: { key, data (RGBA), width, height, name }, problem }.

const LARGEST = 100e6; // pixels, that are refused beyond
const SHORTER = 1024; // pixels that the shorter side keeps at most

// What is said of what cannot be read
export const unread = (name, type) =>
  /heic|heif/i.test(type || name)
    ? `${name || "That"} is a HEIC picture, which this browser cannot read. Save it as JPEG and choose that.`
    : `${name || "That"} is no picture that this browser can read. Choose a JPEG, PNG or WebP file.`;
export const tooLarge = (name, width, height) =>
  `${name} has ${Math.round((width * height) / 1e6)} megapixels; the most that is read here is ${LARGEST / 1e6}. Make it smaller first.`;
// The size at which a picture of this size is read
export const readAt = (width, height) => {
  const scale = Math.min(1, SHORTER / Math.min(width, height));
  return [width, height].map((side) => Math.max(1, Math.round(side * scale)));
};

// Pixels of anything that can be drawn: upright, transparency on white.
const pixelsOf = (source, width, height) => {
  const [wide, tall] = readAt(width, height);
  const pen = Object.assign(document.createElement("canvas"), { width: wide, height: tall }).getContext("2d");
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, wide, tall);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(source, 0, 0, wide, tall);
  return { data: pen.getImageData(0, 0, wide, tall).data, width: wide, height: tall };
};
export const pictureAt = async (address, name = "The picture", type = "") => {
  const picture = new Image();
  // An element follows a camera's mark of rotation, in its sizes and when it is drawn. It has come before it is decoded.
  await new Promise((then, fail) => {
    picture.onload = then;
    picture.onerror = () => fail(new Error(unread(name, type)));
    picture.src = address;
  });
  const { naturalWidth: width, naturalHeight: height } = picture;
  if (!width || !height) throw new Error(unread(name, type));
  if (width * height > LARGEST) throw new Error(tooLarge(name, width, height));
  return pixelsOf(picture, width, height);
};
const pictureOf = async (file) => {
  if (file.type && !file.type.startsWith("image/")) throw new Error(unread(file.name, file.type));
  const address = URL.createObjectURL(file);
  try {
    return await pictureAt(address, file.name || "The picture", file.type);
  } finally {
    URL.revokeObjectURL(address);
  }
};

const refused = ({ name }) =>
  name === "NotFoundError"
    ? "There is no camera here. Choose a file instead."
    : "The camera may not be used. Allow it in the browser's address bar, or choose a file.";

export const photographing = ({ label }, { set }) => {
  let taken = 0;
  const trouble = (problem) => set({ problem }, "own");
  const take = (own, name) => set({ picture: "", own: { ...own, key: `own ${++taken}`, name }, problem: "" }, "own");
  const read = (file) =>
    file &&
    pictureOf(file).then(
      (own) => take(own, file.name),
      ({ message }) => trouble(message),
    );
  const firstOf = (files) => [...files].find((file) => file.type.startsWith("image/")) || files[0];

  const input = el("input", {
    type: "file",
    accept: "image/*",
    hidden: true,
    onchange: () => {
      read(input.files[0]);
      input.value = ""; // the same file may be chosen again
    },
  });
  const over = (on) => (event) => {
    event.preventDefault();
    drop.classList.toggle("cx-over", on);
  };
  const drop = button("Your photo: choose, drop or paste it here", () => input.click());
  Object.entries({
    dragover: over(true),
    dragleave: over(false),
    drop: (event) => {
      over(false)(event);
      if (event.dataTransfer.files.length) read(firstOf(event.dataTransfer.files));
      else trouble("What was dropped is no file: save the picture first, then drop that.");
    },
    paste: (event) => {
      event.preventDefault();
      if (event.clipboardData.files.length) read(firstOf(event.clipboardData.files));
      else trouble("There is no picture on the clipboard.");
    },
  }).forEach(([name, act]) => drop.addEventListener(name, act));
  drop.classList.add("cx-drop");

  // --- the camera ---
  let stream = null;
  const film = el("video", { hidden: true, playsinline: true, muted: true, "aria-label": "What the camera sees" });
  const close = () => {
    for (const track of stream?.getTracks() || []) track.stop();
    stream = null;
    film.hidden = shot.hidden = true;
    camera.textContent = "Camera";
  };
  const open = async () => {
    if (!navigator.mediaDevices?.getUserMedia) return trouble(refused({ name: "NotFoundError" }));
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch (error) {
      return trouble(refused(error));
    }
    film.srcObject = stream;
    film.hidden = shot.hidden = false;
    camera.textContent = "Close the camera";
    await film.play();
    document.addEventListener("visibilitychange", () => document.hidden && close(), { once: true });
  };
  const camera = button("Camera", () => (stream ? close() : open()));
  const shot = button("Take the picture", () => {
    if (film.videoWidth) take(pixelsOf(film, film.videoWidth, film.videoHeight), "the camera's picture");
    close();
  });
  shot.hidden = true;
  const node = el(
    "div",
    { class: "cx-camera", role: "group", "aria-label": label, ...KEYS },
    drop,
    camera,
    shot,
    input,
    film,
  );
  return { row: "photo", node, show() {} };
};
