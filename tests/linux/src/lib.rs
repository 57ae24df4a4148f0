//! What is the same on both sides: the plan of what there is to hand over, which the harness makes
//! and `init` carries out.

pub mod plan;
