package pay_test

import (
	"strconv"

	"interlock/services/rail"
)

const runID = rail.RunID("G1@2027-03-01")

func orderID(n int) string { return rail.NewOrderID(runID, int64(n), "o"+strconv.Itoa(n)) }
