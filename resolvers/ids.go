package resolvers

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"

	"interlock/services/rail"
)

// The kinds of nodes. An id is the base64 of a kind, a colon and the name that the thing has inside. Clients take it
// for opaque. It is the same on every server, and the ids of two kinds always differ.
const (
	stationNode = "Station"
	runNode     = "Run"
	orderNode   = "Order"
	ticketNode  = "Ticket"
	viewerNode  = "Viewer"
	// These name no nodes: their ids only tell them apart.
	refundNode   = "Refund"
	changeNode   = "Change"
	deliveryNode = "Delivery"
	webhookNode  = "Webhook"
)

func encodeID(kind, name string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(kind + ":" + name))
}

// decodeID is the kind and the name of an id. Both are empty for a text that is no id.
func decodeID(id string) (kind, name string) {
	raw, ok := decodeText(id)
	if !ok {
		return "", ""
	}
	kind, name, _ = strings.Cut(string(raw), ":")
	return kind, name
}

// decodeText reads base64 in its one canonical form. The library would also read others, such as one with line breaks,
// so that one thing would have many ids.
func decodeText(text string) ([]byte, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	return raw, err == nil && base64.RawURLEncoding.EncodeToString(raw) == text
}

// OrderID is the id that clients know an order by. Its name inside is its id in the ledger.
func OrderID(name string) string { return encodeID(orderNode, name) }

// RunID is what clients call a run.
func RunID(id rail.RunID) string { return encodeID(runNode, string(id)) }

// readID is the name that an id of a kind has inside. Any other text is refused with the code, and shown as it was
// sent. No thing has the name "".
func readID(code rail.Code, kind, id string) (name string, refusal *rail.Error) {
	if of, name := decodeID(id); of == kind && name != "" {
		return name, nil
	}
	return "", notTheID(code, kind, id)
}

func notTheID(code rail.Code, kind, id string) *rail.Error {
	return rail.Refuse(code, "%s is not the id of %s", rail.Quote(id), kinds[kind])
}

// kinds are how refusals call the kinds of nodes.
var kinds = map[string]string{
	runNode: "a run", orderNode: "an order", ticketNode: "a ticket", deliveryNode: "a delivery", webhookNode: "a webhook",
}

// readRunID is the run that the input of a mutation names.
func readRunID(id string) (rail.RunID, error) {
	name, refusal := readID(rail.NotFound, runNode, id)
	if refusal != nil {
		return "", refusal.At("input", "runId")
	}
	return rail.RunID(name), nil
}

// readOrderID is the order that the input of a mutation names.
func readOrderID(id string) (string, error) {
	name, refusal := readID(rail.NotFound, orderNode, id)
	if refusal != nil {
		return "", refusal.At("input", "orderId")
	}
	return name, nil
}

// readTicketID is the order, and the place in it, of the ticket that the input of a mutation names.
func readTicketID(id string) (orderID string, n int, err error) {
	if kind, name := decodeID(id); kind == ticketNode {
		if orderID, n, ok := splitTicket(name); ok {
			return orderID, n, nil
		}
	}
	return "", 0, notTheID(rail.NotFound, ticketNode, id).At("input", "ticketId")
}

// ticketID is the id of a ticket. Its name is that of the order, and the ticket's place in it, from 0 on.
func ticketID(orderID string, n int) string {
	return encodeID(ticketNode, orderID+"#"+strconv.Itoa(n))
}

// viewerDigestBytes is how much of a subject's digest an id has: 128 bits, so that no two viewers have one id.
const viewerDigestBytes = 16

// viewerID is the id of a viewer; "" without one. It has a keyed digest in place of the subject, which may be a name or
// an address: clients keep ids in caches and logs.
func (r *Resolver) viewerID(viewer *rail.Viewer) string {
	if viewer == nil {
		return ""
	}
	mac := hmac.New(sha256.New, r.ViewerKey)
	mac.Write([]byte(viewer.Subject))
	return encodeID(viewerNode, base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:viewerDigestBytes]))
}

// splitTicket is the order and the place in a ticket's name. ok is false for what is no ticket's name.
func splitTicket(name string) (orderID string, n int, ok bool) {
	orderID, number, ok := strings.Cut(name, "#")
	if !ok {
		return "", 0, false
	}
	n, err := strconv.Atoi(number)
	return orderID, n, err == nil && n >= 0 && strconv.Itoa(n) == number
}
