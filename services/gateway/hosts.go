package gateway

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"interlock/services/rail"
)

// unknownHost is the refusal of a name that is not one of the server's.
var unknownHost = rail.Refuse(rail.Forbidden, "the server does not answer to this name (Host); see --hosts")

// hosts are the names a server answers to. A page can have its own name point at this server (DNS rebinding). A browser
// then takes the two for one origin, and only the name in the request shows that the page is foreign.
type hosts struct {
	any   bool
	named map[string]bool
}

func parseHosts(list []string) (hosts, error) {
	h := hosts{named: map[string]bool{}}
	for _, text := range list {
		if text == "*" {
			h.any = true
			continue
		}
		name := hostName(text)
		_, _, port := net.SplitHostPort(text)
		if name == "" || port == nil || strings.ContainsAny(name, "/*@ \t") ||
			strings.Contains(name, ":") && !isAddress(name) {
			return hosts{}, fmt.Errorf("%q is not a host like tickets.example.com, without scheme, port and path", text)
		}
		h.named[name] = true
	}
	return h, nil
}

func isAddress(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil
}

// answers tells whether the request was sent to one of the server's names: one of the settings, one of loopback's, or
// the address that the connection came to. Ports are not compared: a page cannot choose the port of another server.
func (h hosts) answers(r *http.Request) bool {
	name := hostName(r.Host)
	if h.any || h.named[name] || name == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(name)
	if err != nil {
		return false
	}
	if address.Unmap().IsLoopback() {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && local.AddrPort().Addr().Unmap().WithZone("") == address.Unmap().WithZone("")
}

// hostName is the name in a Host header, in one spelling: lower case, without port, brackets and the last dot.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	} else if inner, ok := strings.CutPrefix(host, "["); ok {
		host = strings.TrimSuffix(inner, "]")
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// answerable refuses requests to names that are not the server's.
func (g *Gateway) answerable(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.hosts.answers(r) {
			g.refuse(w, r, http.StatusMisdirectedRequest, unknownHost)
			return
		}
		next.ServeHTTP(w, r)
	})
}
