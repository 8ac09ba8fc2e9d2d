package partnerhook

import "net/netip"

// special is a range of addresses with what is there.
type special struct {
	prefix netip.Prefix
	what   string
	// private: AllowPrivate lets it pass.
	private bool
}

func specialRange(prefix, what string) special {
	return special{prefix: netip.MustParsePrefix(prefix), what: what}
}

func privateRange(prefix, what string) special {
	return special{prefix: netip.MustParsePrefix(prefix), what: what, private: true}
}

// specials are the ranges that are not reachable from everywhere, by IANA's registries of special-purpose addresses
// (RFC 6890 and its successors). The first that has an address names it.
var specials = []special{
	specialRange("0.0.0.0/8", "an address of this host"),
	privateRange("10.0.0.0/8", "a private address"),
	specialRange("100.64.0.0/10", "a shared address of a carrier"),
	privateRange("127.0.0.0/8", "a loopback address"),
	specialRange("168.63.129.16/32", "a cloud's address for its own machines"), // Azure's; the others' are link-local
	specialRange("169.254.0.0/16", "a link-local address"),
	privateRange("172.16.0.0/12", "a private address"),
	specialRange("192.0.0.0/24", "an address for protocols"),
	specialRange("192.0.2.0/24", "an address for documentation"),
	specialRange("192.88.99.0/24", "an address of 6to4"),
	privateRange("192.168.0.0/16", "a private address"),
	specialRange("198.18.0.0/15", "an address for measurements"),
	specialRange("198.51.100.0/24", "an address for documentation"),
	specialRange("203.0.113.0/24", "an address for documentation"),
	specialRange("224.0.0.0/4", "a multicast address"),
	specialRange("255.255.255.255/32", "the broadcast address"),
	specialRange("240.0.0.0/4", "a reserved address"),

	specialRange("::/128", "the unspecified address"),
	privateRange("::1/128", "a loopback address"),
	specialRange("64:ff9b::/96", "an IPv4 address behind NAT64"),
	specialRange("64:ff9b:1::/48", "an IPv4 address behind NAT64"),
	privateRange("fc00::/7", "a private address"),
	specialRange("fe80::/10", "a link-local address"),
	specialRange("ff00::/8", "a multicast address"),
	specialRange("2001::/32", "an IPv4 address in Teredo"),
	specialRange("2001::/23", "an address for protocols"),
	specialRange("2001:db8::/32", "an address for documentation"),
	specialRange("2002::/16", "an IPv4 address in 6to4"),
	specialRange("3fff::/20", "an address for documentation"),
}

// globalIPv6 is all that is given out of IPv6. What is outside is refused, whatever it will be.
var globalIPv6 = netip.MustParsePrefix("2000::/3")

// refusedAddress says what an address is that must not be called, or "". An IPv4 address in the form of an IPv6 one is
// judged as IPv4, since the system connects to that.
func refusedAddress(address netip.Addr, allowPrivate bool) string {
	if address.Zone() != "" {
		return "an address of one link"
	}
	address = address.Unmap()
	for i := range specials {
		if specials[i].prefix.Contains(address) {
			if specials[i].private && allowPrivate {
				return ""
			}
			return specials[i].what
		}
	}
	if !address.IsValid() || address.Is6() && !globalIPv6.Contains(address) {
		return "no public address"
	}
	return ""
}
