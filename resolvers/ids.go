package resolvers

import (
	"encoding/base64"
	"strconv"
	"strings"

	"interlock/services/rail"
)

// The kinds of nodes. An id is the base64 of its kind, a colon and what names the thing inside: opaque to clients, the
// same on every server, and never mistaken for the id of another kind.
const (
	stationNode = "Station"
	runNode     = "Run"
	orderNode   = "Order"
	ticketNode  = "Ticket"
)

func encodeID(kind, name string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(kind + ":" + name))
}

// decodeID is the kind and the name of an id; both empty where it is none.
func decodeID(id string) (kind, name string) {
	raw, ok := decodeText(id)
	if !ok {
		return "", ""
	}
	kind, name, _ = strings.Cut(string(raw), ":")
	return kind, name
}

// decodeText is what one text alone stands for. Base64 as the library reads it has others: with line breaks in it, say.
func decodeText(text string) ([]byte, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	return raw, err == nil && base64.RawURLEncoding.EncodeToString(raw) == text
}

func runID(id rail.RunID) string { return encodeID(runNode, string(id)) }

// decodeRunID is the run an id names; "" where it names none, so that nothing is found.
func decodeRunID(id string) rail.RunID {
	if kind, name := decodeID(id); kind == runNode {
		return rail.RunID(name)
	}
	return ""
}

// decodeOrderID is the order an id names; "" where it names none.
func decodeOrderID(id string) string {
	if kind, name := decodeID(id); kind == orderNode {
		return name
	}
	return ""
}

// ticketID names a ticket by its order and its place in it.
func ticketID(orderID string, n int) string {
	return encodeID(ticketNode, orderID+"#"+strconv.Itoa(n))
}

// splitTicket is the order and the place in it that a ticket's name says.
func splitTicket(name string) (orderID string, n int, ok bool) {
	orderID, number, ok := strings.Cut(name, "#")
	if !ok {
		return "", 0, false
	}
	n, err := strconv.Atoi(number)
	return orderID, n, err == nil && n >= 0 && strconv.Itoa(n) == number
}
