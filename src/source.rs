//! Bytes of list files to [`crate::domain::list::ReadList`], or an error with its position.
