"""One reader of a run's feed in a process beside it, for all there who watch.

The run is asked once, however many they are, and only while anybody is there.  What takes long (opening
epochs, making messages, once for each kind of watcher) is done in the reader's thread, and handed over to the
event loop's (``FeedReader``).  Nobody waits for one that is slow.  Where all are told the same, each takes it
from one ring at its own pace, and finds out by the numbers what went before it came by (``Ring``); where each
has asked for something else, it has a bounded queue of its own, and is told how much went (``Queue``).
"""
