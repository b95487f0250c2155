"""DICOM series: in as a folder or a zip, converted in a child process; out as a DICOM segmentation."""
