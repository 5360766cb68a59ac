//! The files of other programs: what is trained here goes on there, and the other way round.

mod keras;
mod onnx;
mod pytorch;
