package redlock_test

import (
	"interlock/services/audit"
	"interlock/services/lock/redlock"
	"interlock/services/sale"
)

var (
	_ sale.Lock  = (*redlock.Lock)(nil)
	_ audit.Lock = (*redlock.Lock)(nil)
)
