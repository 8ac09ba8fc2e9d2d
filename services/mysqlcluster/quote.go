package mysqlcluster

import "strings"

// Quote is a name as an identifier in SQL.
func Quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
