//! The families of pictures that the painter knows.
