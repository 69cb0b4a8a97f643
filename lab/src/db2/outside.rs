//! The host around the instance: names, addresses, files; what its files say of names and services.

/// The host around the instance: names, addresses, files.
pub trait Outside {
    /// Host name of the kernel.
    fn host_name(&self) -> String;
    /// Whether the host has that address now.
    fn has_address(&self, address: &str) -> bool;
    /// Content of a file.
    fn read(&self, path: &str) -> Option<String>;
    /// Writes a file; false when its folder is not there or may not be written.
    fn write(&mut self, path: &str, content: &str) -> bool;
    /// Whether it is a folder.
    fn is_dir(&self, path: &str) -> bool;
}

/// Address of a host name, or the address itself.
pub(super) fn resolve(name: &str, host: &dyn Outside) -> Option<String> {
    if name.parse::<std::net::IpAddr>().is_ok() {
        return Some(name.to_owned());
    }
    let hosts = host.read("/etc/hosts").unwrap_or_default();
    hosts
        .lines()
        .map(|l| l.split('#').next().unwrap_or(""))
        .find(|l| l.split_whitespace().skip(1).any(|w| w == name))
        .and_then(|l| l.split_whitespace().next())
        .map(str::to_owned)
}

/// Port of a service by `/etc/services`, or the number itself.
pub(super) fn port(service: &str, host: &dyn Outside) -> Option<u16> {
    if let Ok(number) = service.parse() {
        return Some(number);
    }
    let services = host.read("/etc/services").unwrap_or_default();
    services.lines().map(|l| l.split('#').next().unwrap_or("")).find_map(|l| {
        let mut words = l.split_whitespace();
        (words.next() == Some(service)).then(|| words.next()?.strip_suffix("/tcp")?.parse().ok()).flatten()
    })
}
