//go:build !unix

package settings

const openFlags = 0
