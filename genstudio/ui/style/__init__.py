"""The Style mixing tab: `mixing.py` is its view, `pieces.py` the HTML, `words.py` the sentences."""
