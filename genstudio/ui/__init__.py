"""The Gradio page. It has no tensors: it draws the controls that the verbs declare, and calls the engine."""
