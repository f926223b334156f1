"""The page. It knows no tensors: it draws what the verbs declare, and asks the engine."""
