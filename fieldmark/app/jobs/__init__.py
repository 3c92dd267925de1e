"""Long work for the studio's pages: each piece in a process of its own, watched through files in a folder.

Work of another sort: add a record to `tasks.py` with `kind` and `work(folder, progress)`. Then, in a route:

    job = Job.of(concept_folder.path, BuildTask.KIND)
    job.start(BuildTask(...), home=desk.home)     # False where such a job goes on already
    status = job.status                           # None, or state, message and hint, result
    stages = job.stages                           # what it does, with counts; a template shows them
    job.cancel()

and `{% include "jobs/progress.html" %}` (with `job` and `job_address`) in the page follows it until it ends.
"""
