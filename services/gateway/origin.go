package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// origins are those that may use the API from a browser, besides our own.
type origins struct {
	any   bool
	named map[string]bool
}

func parseOrigins(list []string) (origins, error) {
	o := origins{named: map[string]bool{}}
	for _, text := range list {
		if text == "*" {
			o.any = true
			continue
		}
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil ||
			strings.TrimSuffix(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
			return origins{}, fmt.Errorf("%q is not an origin like https://tickets.example.com", text)
		}
		o.named[strings.ToLower(u.Scheme+"://"+u.Host)] = true
	}
	return o, nil
}

// allows tells whether a page of the origin may talk to the host that was asked. The scheme of our own origin is not
// compared: behind a proxy that ends TLS nobody knows it here.
func (o origins) allows(origin, host string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		// "null" is what sandboxed and local pages send: anybody's.
		return false
	}
	return o.any || strings.EqualFold(u.Host, host) || o.named[strings.ToLower(origin)]
}

// admit answers preflights and refuses foreign pages; it tells whether to go on. There are no cookies here, so a foreign
// page could not speak for its visitor anyway; it could still make visitors' browsers work for it. Browsers say what a
// request comes from by Origin, and where they send none (a GET out of an image or a link) by Sec-Fetch-Site. Whoever
// sends neither is no browser, or one too old to matter to a door without cookies.
func (g *Gateway) admit(w http.ResponseWriter, r *http.Request) bool {
	header := w.Header()
	header.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" {
		if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
			g.refuse(w, r, http.StatusForbidden, forbiddenOrigin)
			return false
		}
	} else {
		if !g.origins.allows(origin, r.Host) {
			g.refuse(w, r, http.StatusForbidden, forbiddenOrigin)
			return false
		}
		header.Set("Access-Control-Allow-Origin", origin)
		header.Set("Access-Control-Expose-Headers", "Retry-After, X-Request-Id")
	}
	if r.Method != http.MethodOptions {
		return true
	}
	header.Set("Allow", allowedMethods)
	if r.Header.Get("Access-Control-Request-Method") != "" {
		header.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
		header.Set("Access-Control-Allow-Methods", allowedMethods)
		header.Set("Access-Control-Allow-Headers", "Accept, Authorization, Content-Type, X-Request-Id")
		header.Set("Access-Control-Max-Age", strconv.Itoa(int(preflightAge.Seconds())))
	}
	w.WriteHeader(http.StatusNoContent)
	return false
}

const allowedMethods = "GET, POST, OPTIONS"
