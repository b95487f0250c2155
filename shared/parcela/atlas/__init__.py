"""The AAL atlas: 116 regions drawn on Colin27, and the files that hold them."""
