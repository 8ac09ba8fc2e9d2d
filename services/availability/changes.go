package availability

import (
	"context"
	"strconv"
	"strings"

	"interlock/services/rail"
)

// What is said on a run's channel: "r 105" when the run came to version 105, "o 3 <order>" when an order of it came to
// version 3. lua/*.lua say the first, too.

func changesChannel(id rail.RunID) string { return "{" + string(id) + "}:changes" }

// runOf is the run whose channel it is, "" for any other channel.
func runOf(channel string) rail.RunID {
	id, ok := strings.CutPrefix(channel, "{")
	if !ok {
		return ""
	}
	id, ok = strings.CutSuffix(id, "}:changes")
	if !ok {
		return ""
	}
	return rail.RunID(id)
}

func message(change rail.Change) string {
	version := strconv.FormatInt(change.Version, 10)
	if change.OrderID == "" {
		return "r " + version
	}
	return "o " + version + " " + change.OrderID
}

// parseChange reads a message; false where it is not one, since anything may be published on a channel.
func parseChange(channel, message string) (rail.Change, bool) {
	change := rail.Change{RunID: runOf(channel)}
	kind, rest, _ := strings.Cut(message, " ")
	version, order, _ := strings.Cut(rest, " ")
	v, err := strconv.ParseInt(version, 10, 64)
	if change.RunID == "" || err != nil || v < 0 || kind != "r" && kind != "o" || (kind == "o") != (order != "") {
		return rail.Change{}, false
	}
	change.Version, change.OrderID = v, order
	return change, true
}

// Announce tells subscribers of a run that an order of it, or the run itself, has moved on.
func (c *Cache) Announce(ctx context.Context, change rail.Change) error {
	return c.client.Publish(ctx, changesChannel(change.RunID), message(change)).Err()
}
