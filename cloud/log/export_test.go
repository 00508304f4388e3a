package log

import "errors"

// Break makes l fail as an fsync that failed does.
func Break(l *Segmented) { _ = l.fail(errors.New("an fsync failed on purpose")) }
