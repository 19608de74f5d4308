//! The end of a call, however it ends: answered, refused, or left by its caller.

use tonic::Code;

use crate::grpc::load::UnderWay;

/// Counts a call as under way until it is dropped, and then knows how it ended.
#[derive(Debug)]
pub struct Finish {
    /// `None` for a call that does not count.
    _under_way: Option<UnderWay>,
    code: Code,
}

impl Finish {
    /// A call that begins now. Until it is told otherwise its caller left it.
    pub fn new(under_way: Option<UnderWay>) -> Self {
        Self { _under_way: under_way, code: Code::Cancelled }
    }

    /// How the call ended.
    pub fn code(&mut self, code: Code) {
        self.code = code;
    }
}
