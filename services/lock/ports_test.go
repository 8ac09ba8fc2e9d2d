package lock_test

import (
	"interlock/services/audit"
	"interlock/services/lock"
	"interlock/services/sale"
)

var (
	_ sale.Lock  = (*lock.Lock)(nil)
	_ audit.Lock = (*lock.Lock)(nil)
)
