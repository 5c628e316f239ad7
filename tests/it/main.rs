//! All tests that need no hypervisor, in one binary.

mod architecture;
mod check_bad;
mod cli;
mod corpus;
mod evaluate;
mod fake;
mod family_names;
mod files;
mod gate;
mod guest_debian;
mod guest_linux;
mod guest_timing;
mod image_recipe;
mod image_setup;
mod image_store;
mod keys;
mod keys_docs;
mod observe;
mod plan;
mod queue;
mod run_arm;
mod run_fake;
mod run_hosts;
mod run_measure;
mod run_warm;
mod scenario_docs;
mod scenario_run;
mod scenario_try;
mod schema;
mod second_family;

mod test_door;
mod testkit;
