// Package console is what an image shows on its serial console in place of a login: who the gateway is and how it stands, and a prompt that takes some of
// gwctl's own commands and nothing else. Whoever stands before the open cabinet may look, and may update; there is no shell to reach, no
// file to read or to write.
//
// It needs nothing of a terminal but lines: the kernel edits them, so that a dumb serial line does. Only top draws a screen.
//
//	what comes                                   what happens
//	a command that is not listed                 it is refused; so are flags and arguments that are not listed with it
//	Ctrl-C                                       the command that runs ends; at the prompt the line is given up
//	Ctrl-D                                       the banner is shown again
//	Ctrl-S, Ctrl-Z, Ctrl-\                       nothing: a line that hangs, stops or ends would need somebody to come again
//	bytes that are no text                       the line is given up, with a word
//	a line without an end                        what is beyond maxLineBytes is passed over
//	escape sequences out of a device             they are shown as '?': a PLC does not write on this screen
//	the line hangs up                            the console ends; its unit starts it again
//	no gateway answers                           the state says so; update and help work
package console
