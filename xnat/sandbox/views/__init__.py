"""The routes and what answers them, one module per part of XNAT's interface."""
