package rail

import "strings"

// NewOrderID makes the id of an order from its run and something unique, such as a UUID: the run leads, so that the id
// says where the order is kept.
func NewOrderID(run RunID, unique string) string { return string(run) + "/" + unique }

// maxOrderID is a run id, a slash and a UUID.
const maxOrderID = maxRunID + 1 + 36

// RunOfOrder is the run an order id begins with; false where it is not the id of an order.
func RunOfOrder(id string) (RunID, bool) {
	slash := strings.LastIndexByte(id, '/')
	if slash < 0 || len(id) > maxOrderID || slash == len(id)-1 {
		return "", false
	}
	for i := slash + 1; i < len(id); i++ {
		if id[i] <= ' ' || id[i] > '~' {
			return "", false
		}
	}
	run := RunID(id[:slash])
	return run, run.Valid()
}
