"""The architecture drawn: boxes and arrows from one forward pass, folded, laid out, and written as text or SVG."""
