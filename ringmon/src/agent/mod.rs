//! The one event loop that joins the rooms.
