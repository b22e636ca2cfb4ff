// The training lab's Train button in Google Colab. SETUP is {id, name, place}: this output's element, the function
// that Python registered, and the class of the place in the panel where the button belongs.
(function (setup) {
  "use strict";
  const box = document.getElementById(setup.id);
  const kernel = window.google && window.google.colab && window.google.colab.kernel;
  if (!box || !kernel) return; // a page without a kernel: the button stays hidden
  const button = box.querySelector("button");
  const said = box.querySelector("[role=status]");
  box.hidden = false;
  if (kernel.accessAllowed === false) {
    button.disabled = true;
    said.textContent = "Run this cell to train.";
    return;
  }

  function ask(what) {
    return kernel.invokeFunction(setup.name, [what], {}).then((reply) => reply.data["application/json"]);
  }

  function pause(milliseconds) {
    return new Promise((resolve) => setTimeout(resolve, milliseconds));
  }

  async function train() {
    button.disabled = true;
    said.textContent = "";
    try {
      let answer = await ask("train");
      while (answer.running) {
        await pause(20); // in which the kernel hears everything else, Stop included
        answer = await ask("tick");
      }
    } catch (error) {
      said.textContent = "The kernel does not answer. Run this cell again. (" + error + ")";
    }
    button.disabled = false;
  }

  // The panel is drawn after this output; its row of buttons is the better place, where it can be found.
  async function move() {
    for (let tries = 0; tries < 100; tries++) {
      const place = document.querySelector("." + setup.place);
      if (place) {
        place.replaceChildren(box);
        return;
      }
      await pause(100);
    }
  }

  button.addEventListener("click", train);
  move();
})(SETUP);
