"""GenStudio's page: `python app.py`. It is also what Hugging Face Spaces runs."""

from genstudio.ui.studio import launch

if __name__ == "__main__":
    launch()
