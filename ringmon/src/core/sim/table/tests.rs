//! The model itself: it must not be kinder than a database.
