// A file of its own, so that a page without DICOM does not load it, and with all that is not used left out.
export { zipSync } from "fflate";
