"""Which pixels of the text regions are ink: stroke segmenters behind one interface, listed by name in ``registry``."""
