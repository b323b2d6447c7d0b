"""The explanations of the steps that are the same on every host and array; drivers bring their own for the rest."""

from __future__ import annotations

from collections.abc import Mapping

from core.plan import Explain

EXPLAIN: Mapping[str, Explain] = {
    "lock": Explain(
        "Makes a directory with the owner's name in it, in our work directory on that host; refuses when somebody else's is there.",
        "Two consoles on one set would split and establish against each other. Making a directory is atomic on every system.",
        "None: it touches nothing but our own work directory. A hold that a person left is found here too, and refuses.",
        "ls WORK_DIR/locks; cat WORK_DIR/locks/SET/owner.",
    ),
    "unlock": Explain(
        "Removes the lock that this run took, after reading that it is its own.",
        "The next run of the set needs it.",
        "None. A lock that is not ours is left alone.",
        "ls WORK_DIR/locks.",
    ),
    "deposit-plan": Explain(
        "Writes the plan, compressed, into the directory of this run on the target.",
        "With it and the directories of the jobs, another console can rebuild the journal when this console is lost.",
        "None: it touches nothing but our own work directory.",
        "ls WORK_DIR/runs.",
    ),
    "hold": Explain(
        "Writes a small file with owner, reason and end into our work directory on that host.",
        "Every run of this set, from every console, looks for it before it changes anything, and is refused.",
        "None for the hosts. A hold that is forgotten ends by itself at its time.",
        "cat WORK_DIR/holds/SET.",
    ),
    "let-go": Explain(
        "Removes the file of the hold.",
        "Changes of the set are allowed again.",
        "Whoever put it there may still count on it: ask first.",
        "ls WORK_DIR/holds.",
    ),
    "unlock-stale": Explain(
        "Moves the lock aside, if it is still the very one that was shown; it is kept in WORK_DIR/locks-taken.",
        "A console that died for good leaves its lock behind, and no run can begin.",
        "If its run is alive after all, two runs work on one set. The jobs that were measured were not running.",
        "mv WORK_DIR/locks/SET WORK_DIR/locks-taken/.",
    ),
    "follow": Explain(
        "Waits until the job that was under way when the console went has ended, and reads how.",
        "What a job is still doing must not be taken back beneath it.",
        "A job that never ends: find out on the host what it waits for. It is never killed.",
        "cat WORK_DIR/runs/RUN/STEP/rc.",
    ),
    "forget-backup": Explain(
        "Removes the copy that the backup of this run had begun and not finished from the repository.",
        "It is not listed as a backup, but it takes up room.",
        "Only an unfinished copy that bears the key of this run is removed.",
        "ls REPOSITORY/SET; its name ends in .partial.",
    ),
    "stop": Explain(
        "Unmounts the group's filesystems on the host that owns it, innermost first, and takes the group out of use.",
        "The array is about to change these devices underneath. A host that has them in use would mix old and new, and write over them.",
        "Somebody still works there: then nothing more is done, and what was unmounted is mounted again.",
        "The same commands, in this order; then look that nothing of the group is mounted.",
    ),
    "start": Explain(
        "Brings the group into use again, checks each filesystem and mounts it where it was, outermost first.",
        "What was restored is the state of a running machine at the instant of the split: a check replays the logs first.",
        "A filesystem that cannot be repaired: it is left unmounted, and the run says so.",
        "The same commands; compare with the map of that point in time.",
    ),
    "application": Explain(
        "Runs the command that the configuration gives for the application of this set.",
        "The product knows devices and files; what works on them is known to whoever wrote this command.",
        "The command fails or hangs: the run ends there and says so.",
        "The same command.",
    ),
    "quiesce": Explain(
        "Opens a shell on the source that brings the application into the state in which it may be split, and holds it there.",
        "The copy is then what the application itself calls whole, and its position is known.",
        "The console dies: a timer on the host lets the application go, and so does the end of the connection.",
        "docs/applications.md.",
    ),
    "let-go-application": Explain(
        "Lets the application go, and keeps its position and what a recovery of the copy needs.",
        "It must never stay quiesced. Whatever happened between, this is done.",
        "The timer was first: then the split is not known to lie within, and is not used.",
        "docs/applications.md.",
    ),
    "start-database-copy": Explain(
        "Removes the source's lock from the copy, points its links into the copy, and starts a server on it: a unix socket in the "
        "copy's own directory, no network, no archive, no replication, no library of the source's.",
        "Only a server that recovers from it can say whether the copy is whole.",
        "It writes to the BCVs, so the point in time is then one after a recovery. A link that would lead out of the copy is refused.",
        "docs/applications.md.",
    ),
    "verify-database-copy": Explain(
        "Asks the server for its identity, that recovery has ended, that it takes a transaction; then pg_amcheck and your query.",
        "That a server starts proves little: a torn copy may start too.",
        "pg_amcheck reads every table and index: on a large database that takes its time.",
        "pg_amcheck --all; psql on the socket in the copy's directory.",
    ),
    "stop-database-copy": Explain(
        "Stops the server on the copy, then reads every page and compares its checksum, where the database has them.",
        "Nothing may run on the copy when it is unmounted.",
        "A damaged page ends the rehearsal, and cleanup follows.",
        "pg_ctl stop -m fast; pg_checksums --check.",
    ),
    "start-oracle-copy": Explain(
        "Mounts the copy as an instance of another SID, with parameters of its own: no listener, no jobs, no links, no archive of the source's. "
        "Names each file by its place on the copy, proves that none other is left, recovers it by its redo and opens it.",
        "Only an instance that recovers from it can say whether the copy is whole.",
        "It writes to the BCVs, so the point in time is then one after a recovery. A file that is not on the copy is refused.",
        "docs/applications.md.",
    ),
    "verify-oracle-copy": Explain(
        "Asks the instance for its identity, that it is open for writing, that no file is in backup mode or needs recovery; "
        "makes it write to all files (a checkpoint); then your query.",
        "That it opens proves its redo and its headers; the query looks at your data.",
        "Blocks are not read one by one: dbv or RMAN VALIDATE does that.",
        "select open_mode from v$database; select * from v$recover_file.",
    ),
    "stop-oracle-copy": Explain(
        "Shuts the copy's instance down, after a look that its control files are the copy's.",
        "Nothing may run on the copy when it is unmounted.",
        "It does not stop in order: then it is aborted, which harms nothing but the copy.",
        "shutdown immediate; shutdown abort.",
    ),
    "backup-today": Explain(
        "Copies what the source has mounted now into the repository, before anything of it is overwritten.",
        "If the restore turns out to be wrong, today's files are still there: restore from this backup.",
        "It reads filesystems in use: what is written meanwhile may be half in it. The application rests, where one is configured.",
        "tar or restic over the mount points, on the source.",
    ),
    "sample-source": Explain(
        "Reads some files of the source, chosen by chance, and keeps their checksums.",
        "The same files of the copy must hold the same, or have been changed since: that proves the copy, not only that it mounts.",
        "It only reads. Listing all names of a large filesystem takes its time; it is done before anything is frozen.",
        "find DIRECTORY -xdev -type f; cksum FILE.",
    ),
    "sample-copy": Explain(
        "Reads the same files of the mounted copy. One that differs is read on the source again.",
        "A file that differs and has not changed on the source is damage that a mount does not show.",
        "It only reads. What differs without a reason ends the rehearsal, and cleanup follows.",
        "cksum FILE, on both hosts.",
    ),
    "rehearse-application": Explain(
        "Runs the configuration's own command on the target, with the place of the copy in $PREFIX.",
        "Only the application can say whether it can work with the copy.",
        "It writes to the BCVs. The command must take no network address and leave nothing running; it is not shown to us whether it does.",
        "The command, with PREFIX set.",
    ),
    "mark-application": Explain(
        "Notes the time by the clock of that host.",
        "After the restore of files it tells what the restore wrote from what was there.",
        "None: it writes one line into the directory of this run.",
        "date.",
    ),
    "sweep-application": Explain(
        "Renames every file of the database that the backup does not have into a directory splitmount-aside-TIME beside it.",
        "A visibility map of today beside a table of then gives wrong answers, and a log of today does not follow on the data of then.",
        "Nothing is removed: the directories stay until a person takes them away.",
        "find DATA ! -type d ! -newerct TIME; the same for pg_wal and each tablespace.",
    ),
    "recover-application": Explain(
        "Starts a server on the restored data, alone and without a network, lets it recover as far as was asked, and stops it again.",
        "The log in the archive may hold what came after this point in time: only on a timeline of its own may the database go on.",
        "The time lies beyond the archive: the recovery ends with an error, and the database stays down. Restore again, to an earlier time.",
        "recovery.signal, restore_command and recovery_target_time, as the manual of PostgreSQL has it (26.3.4).",
    ),
    "put-back": Explain(
        "Writes the files of the backup to where they were; a file of the same name is replaced, nothing is removed. Then reads each back.",
        "The backup is the copy that is left, or the one wanted; its checksums prove that each file is as it was.",
        "It ends half way: then some files are old and some new, and the run says so. It can be run again from the start.",
        "zstd -dc data-N.tar.zst | tar -x --numeric-owner -C / for an archive; restic dump ID / for restic.",
    ),
    "compare": Explain(
        "Shows the BCVs to the target, reads the same places of each standard and its BCV, and compares their checksums (CRC-32).",
        "That the array says `restored` is its word; that the bytes are equal is measured, before anything is mounted.",
        "None: it only reads. When they differ, the source is not started, and a person looks.",
        "dd if=DEVICE bs=64k skip=N count=4 | cksum, on both hosts, with no filesystem of them mounted.",
    ),
    "table": Explain(
        "Makes the host mount these filesystems at its next start too.",
        "A service that was taken over must survive a reboot of the machine that took it.",
        "An entry for the same mount point that is not ours: it is left alone and the run ends.",
        "Read the host's table of filesystems.",
    ),
    "measure-quiet": Explain(
        "Asks the source which processes work in the filesystems of the set.",
        "A filesystem in use cannot be unmounted; better known before the first one is.",
        "Nothing: it only reads. A process that is found ends the run here, and an application that was stopped is started again.",
        "fuser -m DIRECTORY on Linux, fuser -c DIRECTORY elsewhere.",
    ),
    "measure-released": Explain(
        "Discovers the source and looks whether anything of the set is mounted or active there.",
        "Two hosts that write to one set of data destroy it. A source that answers must be seen to have let go.",
        "Nothing: it only reads. A source that still uses its standards ends the run here.",
        "On the source: its list of active groups and of mounts.",
    ),
    "measure-basis": Explain(
        "Discovers both hosts again and reads the state of every pair.",
        "Time has passed since the plan was made. The run goes on only if groups (UUID and sequence number) and pair states are those it was made from.",
        "Nothing: it only reads. If something changed, the run ends here with nothing changed.",
        "On the source: its list of groups with their identities. On the array: the state of the pairs.",
    ),
    "measure-stopped": Explain(
        "Discovers the source and looks whether anything of the set is mounted or active there.",
        "The next step overwrites the standards. Since they were taken down a backup of them may have run for hours, and somebody may have started them.",
        "Nothing: it only reads. A group that is in use again ends the run here, and what was stopped is started again.",
        "On the source: its list of active groups and of mounts.",
    ),
    "measure-idle": Explain(
        "Reads on the target whether any BCV of the set is in an active group or mounted.",
        "The next step overwrites the BCVs. A host that still uses one would see its data change underneath.",
        "Nothing: it only reads. A BCV in use ends the run here.",
        "On the target: its list of active groups and of mounts, against the devices with these serials.",
    ),
    "measure-clean": Explain(
        "Discovers the target again and looks for anything that this run brought up.",
        "Mirrors are put back only after it is proved that nothing of them is left in use.",
        "Nothing: it only reads. What is left is named, with the commands that remove it.",
        "On the target: its list of groups and of mounts.",
    ),
    "keep-map": Explain(
        "Writes the map (volume groups, devices, logical volumes, filesystems) as a new version here, and a copy on the target.",
        "In a disaster the source cannot be asked any more; the newest kept map is then what tells how its data is laid out.",
        "A full disk in the work directory; the run then ends before any mirror was touched.",
        "Compare the file with vgs, lvs and findmnt on the source.",
    ),
    "await-established": Explain(
        "Polls the array until every pair of the set is established.",
        "A mirror that is still being copied is not a copy yet.",
        "A pair that never gets there: the run ends at its limit and names it.",
        "Read the pair states on the array; tracks pending fall towards zero.",
    ),
    "await-restored": Explain(
        "Polls the array until every pair is split again, with its standard equal to the point in time.",
        "A standard that is used before the copy has ended would be a mixture of two times.",
        "A copy that fails: the source stays stopped, because its devices hold neither the one nor the other.",
        "Read the pair states on the array.",
    ),
    "await-split": Explain(
        "Polls the array until every pair is split, and checks that all were split at the same instant.",
        "Some arrays finish a split in the background; a BCV may be read only afterwards, and only a set with one split identity is one point in time.",
        "A copy that fails leaves that pair invalid: it is named, and nothing is imported.",
        "Read the pair states on the array.",
    ),
    "await-ready": Explain(
        "Reads the array: every BCV of the set is split, with one split identity, and ready.",
        "A set that mixes two instants would import without a word from the volume manager and hold broken data.",
        "Nothing: it only reads.",
        "Read pair states and split times on the array.",
    ),
    "settle": Explain(
        "Dismisses the finished copy jobs and marks the pairs in the array.",
        "The array keeps a finished job until told otherwise; the mark makes the state survive.",
        "If it is cut off, it can be done again: the state is read from what the array holds.",
        "Read jobs and bitmaps on the array.",
    ),
    "freeze": Explain(
        "Flushes the filesystems of the set on the source and holds back new writes.",
        "The split then catches files that are whole, not only blocks that are consistent.",
        "Writers wait until the thaw. A timer on the source itself thaws after its time, even if this console dies or the network is cut.",
        "On the source: writes to the mount points hang; by hand a Linux host thaws with fsfreeze -u, an AIX host with chfs -a freeze=off.",
    ),
    "thaw": Explain(
        "Lets the source write again, and reports how long it was held, by its own clock.",
        "No source may stay frozen; this step runs after any failure too.",
        "If the timer was first, the split was not taken under the freeze: the run says so and does not use it.",
        "On the source: touch a file below each mount point.",
    ),
    "backup": Explain(
        "Copies all files of the mounted BCVs into the repository, bound to the identity and time of the split.",
        "The mirror is overwritten by the next establish; the backup stays.",
        "A full repository or a lost connection: the incomplete copy is never listed as a backup.",
        "Compare number of files and bytes below the mount points with the backup's.",
    ),
    "verify": Explain(
        "Reads the backup back from the repository and compares it with what was copied.",
        "A backup that was never read is a hope.",
        "Nothing on the hosts: it only reads. A difference fails the run.",
        "Restore it into an empty directory and compare checksums.",
    ),
    "undo": Explain(
        "Takes back what an earlier step of this run did, after measuring that it is still ours.",
        "The target is left as it was found; only what this run created is removed, matched by UUID and serial.",
        "Something else uses it meanwhile: then nothing is removed, and the run says what is left, as commands.",
        "The command shown is the whole of it.",
    ),
}
