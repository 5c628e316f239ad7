//! Network filters: what may pass a clone's interface on its run's outlet.

use virt::connect::Connect;

use crate::host::libvirt::error::{doing, found};
use crate::host::libvirt::xml::{Element, element};
use crate::model::id::RunId;
use crate::model::name::FilterName;
use crate::port::{FilterSpec, LabError};

/// Makes a filter.
pub fn create(conn: &Connect, spec: &FilterSpec) -> Result<(), LabError> {
    conn.define_nwfilter_xml(&describe(spec).render())
        .map(drop)
        .map_err(doing(format!("making filter {}", spec.name)))
}

/// Removes a filter; no error where it is not there.
pub fn remove(conn: &Connect, name: &FilterName) -> Result<(), LabError> {
    match found(
        conn.lookup_nwfilter_by_name(name.as_str()),
        &format!("filter {name}"),
    )? {
        Some(filter) => filter
            .undefine()
            .map_err(doing(format!("removing filter {name}"))),
        None => Ok(()),
    }
}

/// All filters of patchgate's.
pub fn marked(conn: &Connect) -> Result<Vec<(FilterName, RunId)>, LabError> {
    let filters = conn
        .list_all_nw_filters(0)
        .map_err(doing("listing the filters"))?;
    Ok(filters
        .iter()
        .filter_map(|filter| {
            let name: FilterName = filter.name().ok()?.parse().ok()?;
            let run = name.run()?;
            Some((name, run))
        })
        .collect())
}

/// The filter (<https://libvirt.org/formatnwfilter.html>). Its rules keep no state, so that answers are let in by their
/// own; what no rule knows is dropped, IPv6 with it. `$MAC` is the interface's, and `$IP` the address that it is given for its
/// own: a clone can neither speak for another nor take what is another's.
fn describe(spec: &FilterSpec) -> Element {
    let rule = |direction, what| {
        element("rule")
            .with("action", "accept")
            .with("direction", direction)
            .with("priority", 100)
            .child(what)
    };
    let ip = |protocol| element("ip").with("protocol", protocol);
    let from_it = |protocol| {
        element("ip")
            .with("srcmacaddr", "$MAC")
            .with("srcipaddr", "$IP")
            .with("protocol", protocol)
    };
    // Who has no address yet asks from none (RFC 2131, 4.1).
    let from_none = element("ip")
        .with("srcmacaddr", "$MAC")
        .with("srcipaddr", "0.0.0.0")
        .with("protocol", "udp");
    element("filter")
        .with("name", &spec.name)
        .with("chain", "root")
        .child(rule(
            "out",
            element("arp")
                .with("srcmacaddr", "$MAC")
                .with("arpsrcmacaddr", "$MAC")
                .with("arpsrcipaddr", "$IP"),
        ))
        .child(rule("in", element("mac").with("protocolid", "arp")))
        .child(rule(
            "out",
            from_none.with("srcportstart", 68).with("dstportstart", 67),
        ))
        .child(rule(
            "out",
            from_it("udp").with("srcportstart", 68).with("dstportstart", 67),
        ))
        .child(rule(
            "in",
            ip("udp").with("srcportstart", 67).with("dstportstart", 68),
        ))
        .child(rule(
            "out",
            from_it("tcp")
                .with("dstipaddr", spec.gateway)
                .with("dstportstart", spec.port),
        ))
        .child(rule(
            "in",
            ip("tcp")
                .with("srcipaddr", spec.gateway)
                .with("srcportstart", spec.port),
        ))
        .child(
            element("rule")
                .with("action", "drop")
                .with("direction", "inout")
                .with("priority", 1000),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_passes_dhcp_and_the_proxy_alone_and_no_foreign_address() {
        let spec = FilterSpec {
            name: "pg-20261123-140912-7c1f".parse().expect("a name"),
            gateway: [10, 213, 1, 33].into(),
            port: 3128,
        };
        insta::assert_snapshot!(describe(&spec).render(), @r#"
        <filter name="pg-20261123-140912-7c1f" chain="root">
          <rule action="accept" direction="out" priority="100">
            <arp srcmacaddr="$MAC" arpsrcmacaddr="$MAC" arpsrcipaddr="$IP"/>
          </rule>
          <rule action="accept" direction="in" priority="100">
            <mac protocolid="arp"/>
          </rule>
          <rule action="accept" direction="out" priority="100">
            <ip srcmacaddr="$MAC" srcipaddr="0.0.0.0" protocol="udp" srcportstart="68" dstportstart="67"/>
          </rule>
          <rule action="accept" direction="out" priority="100">
            <ip srcmacaddr="$MAC" srcipaddr="$IP" protocol="udp" srcportstart="68" dstportstart="67"/>
          </rule>
          <rule action="accept" direction="in" priority="100">
            <ip protocol="udp" srcportstart="67" dstportstart="68"/>
          </rule>
          <rule action="accept" direction="out" priority="100">
            <ip srcmacaddr="$MAC" srcipaddr="$IP" protocol="tcp" dstipaddr="10.213.1.33" dstportstart="3128"/>
          </rule>
          <rule action="accept" direction="in" priority="100">
            <ip protocol="tcp" srcipaddr="10.213.1.33" srcportstart="3128"/>
          </rule>
          <rule action="drop" direction="inout" priority="1000"/>
        </filter>
        "#);
    }
}
