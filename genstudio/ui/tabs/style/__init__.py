"""The Style mixing tab: its view in `mixing.py`, HTML in `pieces.py`, sentences in `words.py`."""
