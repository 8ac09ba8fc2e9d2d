package gateway

import (
	"net/http"
	"net/netip"
	"strings"
)

// householdBits is how many bits of an IPv6 address tell one household or phone from the next. The other 64 bits are
// for each to make addresses of.
const householdBits = 64

// addressOf is the address whose streams are counted together. It is the one that the connection comes from. Behind
// trusted proxies, it is the last entry of X-Forwarded-For that is no trusted proxy: any client can write the entries
// before it. The result is not valid where the network has no addresses.
func addressOf(r *http.Request, trusted []netip.Prefix) netip.Prefix {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Prefix{}
	}
	address := peer.Addr().Unmap().WithZone("")
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && isAmong(address, trusted); i-- {
		hop, ok := parseHop(strings.TrimSpace(hops[i]))
		if !ok {
			break
		}
		address = hop
	}
	bits := address.BitLen()
	if address.Is6() {
		bits = householdBits
	}
	household, _ := address.Prefix(bits) // It fails for zones and too many bits only.
	return household
}

// parseHop reads an entry of X-Forwarded-For: an address, which some proxies write with a port.
func parseHop(text string) (netip.Addr, bool) {
	address, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		withPort, err := netip.ParseAddrPort(text)
		if err != nil {
			return netip.Addr{}, false
		}
		address = withPort.Addr()
	}
	return address.Unmap().WithZone(""), true
}

func isAmong(address netip.Addr, list []netip.Prefix) bool {
	for _, prefix := range list {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}
