"""Between an application and the step: files, sounds, text. Needs numpy alone."""
