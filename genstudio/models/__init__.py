"""The families: one file each, its systems registered at the foot."""
