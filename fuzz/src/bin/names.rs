//! Which targets are there? One name a line.

fn main() {
    for protocol in secnetmon_fuzz::parsers() {
        println!("{}", protocol.name);
    }
}
