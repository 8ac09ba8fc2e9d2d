package gateway

import "net/http"

// HTTP lets tests see how the server is set up.
func (s *Server) HTTP() *http.Server { return s.http }

// What the tests hold answers against.
const (
	InternalText      = internalText
	ReadHeaderTimeout = readHeaderTimeout
	BodyTimeout       = bodyTimeout
	WriteTimeout      = writeTimeout
	InitTimeout       = initTimeout
	KeepAlive         = keepAlive
)
