// Loaded on pages that hold live widgets, in place of the widget library: a plain page has no kernel to move them.
document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]').forEach((view) => {
  const note = document.createElement("p");
  note.className = "cnnlab-kernel-note";
  const colab = document.querySelector("a.btn-colab");
  note.append("This control trains a network, so it needs Python behind it. ");
  if (colab) {
    const link = document.createElement("a");
    link.href = colab.href;
    link.textContent = "Run this page in Colab";
    note.append(link, ", or in Jupyter on your own machine.");
  } else {
    note.append("Run this page in Jupyter or Colab.");
  }
  view.insertAdjacentElement("afterend", note);
});
