// While the page loads, Gradio's client looks each component up in the targets of each event, through the proxies in
// which Svelte wraps plain objects and arrays. Events never change: they get classes, which Svelte leaves unwrapped.
(() => {
  class Unwrapped {}
  class List extends Array { static get [Symbol.species]() { return Array; } }
  const dependencies = window.gradio_config?.dependencies ?? [];
  for (const dependency of dependencies) Object.setPrototypeOf(dependency, Unwrapped.prototype);
  Object.setPrototypeOf(dependencies, List.prototype);
})();
