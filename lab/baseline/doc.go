// Package baseline sells tickets the way that textbooks and most teams do: a distributed lock per run, and inside it
// one transaction per order. Interlock is measured against it. It lives in the lab only.
//
// It is written to be fast at what it is, with the tools its authors would use: redsync over the same lock nodes, gorm
// on the same primary. It has less to do than Interlock: no HTTP, no token, no answer, no seat availability in Redis.
// It leaves duplicates to the unique indexes. What it sells, it sells rightly.
package baseline
