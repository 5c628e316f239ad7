//! All tests that need no hypervisor, in one binary.

mod architecture;
mod check_bad;
mod cli;
mod corpus;
mod evaluate;
mod fake;
mod files;
mod gate;
mod guest_debian;
mod guest_linux;
mod guest_timing;
mod image_recipe;
mod image_setup;
mod image_store;
mod observe;
mod plan;
mod queue;
mod run_fake;
mod run_hosts;
mod run_measure;
mod run_warm;
mod scenario_docs;
mod scenario_run;
mod scenario_try;
mod support;
mod test_door;
