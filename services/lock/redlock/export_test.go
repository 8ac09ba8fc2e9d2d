package redlock

// TakeBackHash is the digest of the script that takes locks back.
var TakeBackHash = takeBackScript.Hash
